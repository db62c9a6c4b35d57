// What tests/deploy/generated_clients asks by the client that is generated for TypeScript.
import { createSession, deleteSession, gradient, openTape, tapeGradient } from "./gradd";
import type { Graph, Problem, Variables } from "./gradd";
import { client } from "./gradd/client.gen";

const graph: Graph = "z = (x1 + 5) * x2 ** 2";
const variables: Variables = { x1: 2.0, x2: 3.0 };

/** What was answered; a failure is thrown. */
function taken<T>({ data, error }: { data?: T; error?: Problem }): T {
    if (data === undefined) throw new Error(error?.detail ?? "no answer");
    return data;
}

async function main(url: string): Promise<void> {
    client.setConfig({ baseUrl: url });
    const answer = taken(await gradient({ body: { graph, variables } }));
    console.log(JSON.stringify({ gradient: answer.gradient, value: answer.value }));

    const session = taken(await createSession({ body: { variables } })).id;
    const { tape } = taken(await openTape({ path: { session }, body: { graph } }));
    const ask = () => tapeGradient({ path: { session, tape }, body: { target: "z", sources: ["x1", "x2"] } });
    console.log(JSON.stringify({ gradient: taken(await ask()).gradient }));

    const { error } = await ask();
    console.log(JSON.stringify(error?.code));
    const { response } = await deleteSession({ path: { session } });
    console.log(JSON.stringify(response.ok ? "deleted" : response.status));
}

main(process.argv[2] ?? "").catch((failure: unknown) => {
    console.error(failure);
    process.exitCode = 1;
});

// gradd from node, with its own fetch. Usage: node first.mjs [URL]

const gradd = process.argv[2] ?? "http://127.0.0.1:8080";

/** A request that gradd refused: application/problem+json (RFC 9457). */
class Problem extends Error {
  constructor({ status, code, detail }) {
    super(detail);
    Object.assign(this, { status, code });
  }
}

/** Sends one request; resolves to what the JSON of its answer says, or to null where it has none. */
async function ask(method, path, body) {
  const answer = await fetch(gradd + path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  const json = text ? JSON.parse(text) : null;
  if (!answer.ok) throw new Problem(json);
  return json;
}

// One request: the value of a graph and its gradient.
const graph = "z = (x1 + 5) * x2 ** 2";
const variables = { x1: 2, x2: 3 };
const { value, gradient } = await ask("POST", "/v1/gradient", { graph, variables });
console.log(
  `z = ${value.toFixed(1)}, dz/dx1 = ${gradient.x1.toFixed(1)}, dz/dx2 = ${gradient.x2.toFixed(1)}`,
);

// A session keeps variables. A persistent tape in it answers as often as it is asked.
const { id } = await ask("POST", "/v1/sessions", { variables });
const session = `/v1/sessions/${id}`;
try {
  const { tape } = await ask("POST", `${session}/tapes`, { graph, persistent: true });
  const slope = async (sources) =>
    (await ask("POST", `${session}/tapes/${tape}/gradient`, { target: "z", sources })).gradient;
  const byX1 = await slope("x1");
  const byX2 = await slope("x2");
  console.log(`the tape, asked twice: ${byX1.toFixed(1)} and ${byX2.toFixed(1)}`);
} finally {
  await ask("DELETE", session);
}

// A hundred steps of gradient descent are one request.
const found = await ask("POST", "/v1/minimize", {
  graph: "y = 3 * x ** 2 + 2 * x - 1",
  variables: { x: 0 },
  optimizer: { name: "SGD", learning_rate: 0.1 },
  steps: 100,
});
console.log(
  `after ${found.steps} steps x = ${found.variables.x.toFixed(4)}, y = ${found.loss.toFixed(4)}`,
);

// What is refused says what was found and what was expected.
try {
  await ask("POST", "/v1/gradient", { graph: "y = redcue_sum(x)", variables: { x: [1, 2] } });
} catch (problem) {
  if (!(problem instanceof Problem)) throw problem;
  console.log(`refused with ${problem.status} ${problem.code}: ${problem.message}`);
}

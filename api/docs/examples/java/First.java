// gradd from Java, with its standard library alone. Usage: java First.java [URL]

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public class First {
    /** A request that gradd refused: application/problem+json (RFC 9457). */
    static class Problem extends Exception {
        Problem(String json) {
            super("%s %s: %s".formatted(member(json, "status"), member(json, "code"), member(json, "detail")));
        }
    }

    private final HttpClient client = HttpClient.newHttpClient();
    private final String url;

    First(String url) {
        this.url = url;
    }

    /** Sends one request and returns the JSON of its answer. */
    String ask(String method, String path, String body) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(url + path))
            .header("Content-Type", "application/json")
            .method(method, BodyPublishers.ofString(body))
            .build();
        HttpResponse<String> answer = client.send(request, BodyHandlers.ofString());
        if (answer.statusCode() >= 400) throw new Problem(answer.body());
        return answer.body();
    }

    /** The string or number of a name in JSON. Java has no reader of JSON; with Jackson or Gson use theirs. */
    static String member(String json, String name) {
        Matcher found = Pattern.compile("\"" + name + "\":(?:\"((?:[^\"\\\\]|\\\\.)*)\"|([-+.\\deE]+))").matcher(json);
        if (!found.find()) throw new IllegalArgumentException("no " + name + " in " + json);
        return found.group(1) == null ? found.group(2) : found.group(1).translateEscapes();
    }

    static double number(String json, String name) {
        return Double.parseDouble(member(json, name));
    }

    void run() throws Exception {
        // One request: the value of a graph and its gradient.
        String graph = "\"graph\": \"z = (x1 + 5) * x2 ** 2\"";
        String variables = "\"variables\": {\"x1\": 2.0, \"x2\": 3.0}";
        String answer = ask("POST", "/v1/gradient", "{" + graph + ", " + variables + "}");
        System.out.printf("z = %.1f, dz/dx1 = %.1f, dz/dx2 = %.1f%n",
            number(answer, "value"), number(answer, "x1"), number(answer, "x2"));

        // A session keeps variables. A persistent tape in it answers as often as it is asked.
        String session = "/v1/sessions/" + member(ask("POST", "/v1/sessions", "{" + variables + "}"), "id");
        String opened = ask("POST", session + "/tapes", "{" + graph + ", \"persistent\": true}");
        String tape = session + "/tapes/" + member(opened, "tape") + "/gradient";
        String byX1 = ask("POST", tape, "{\"target\": \"z\", \"sources\": \"x1\"}");
        String byX2 = ask("POST", tape, "{\"target\": \"z\", \"sources\": \"x2\"}");
        System.out.printf("the tape, asked twice: %.1f and %.1f%n", number(byX1, "gradient"), number(byX2, "gradient"));
        ask("DELETE", session, "");

        // A hundred steps of gradient descent are one request.
        String found = ask("POST", "/v1/minimize", """
            {"graph": "y = 3 * x ** 2 + 2 * x - 1", "variables": {"x": 0.0}, "steps": 100,
             "optimizer": {"name": "SGD", "learning_rate": 0.1}}""");
        System.out.printf("after %s steps x = %.4f, y = %.4f%n",
            member(found, "steps"), number(found, "x"), number(found, "loss"));

        // What is refused says what was found and what was expected.
        try {
            ask("POST", "/v1/gradient", "{\"graph\": \"y = redcue_sum(x)\", \"variables\": {\"x\": [1, 2]}}");
        } catch (Problem problem) {
            System.out.println("refused with " + problem.getMessage());
        }
    }

    public static void main(String[] args) throws Exception {
        new First(args.length > 0 ? args[0] : "http://127.0.0.1:8080").run();
    }
}

<?php
// gradd from PHP, without an extension. Usage: php first.php [URL]

declare(strict_types=1);

/** A request that gradd refused: application/problem+json (RFC 9457). */
final class Problem extends RuntimeException
{
    public function __construct(public readonly array $problem)
    {
        parent::__construct($problem['detail'], $problem['status']);
    }
}

final class Gradd
{
    public function __construct(private readonly string $url)
    {
    }

    /** Sends one request and returns what the JSON of its answer says, or null where it has none. */
    public function ask(string $method, string $path, ?array $body = null): ?array
    {
        $context = stream_context_create(['http' => [
            'method' => $method,
            'header' => 'Content-Type: application/json',
            'content' => $body === null ? '' : json_encode($body, JSON_THROW_ON_ERROR | JSON_PRESERVE_ZERO_FRACTION),
            'ignore_errors' => true, // An answer that is not 200 has a body too.
            'timeout' => 60,
        ]]);
        $text = file_get_contents($this->url . $path, false, $context);
        if ($text === false) {
            throw new RuntimeException("no answer from {$this->url}");
        }
        $answer = $text === '' ? null : json_decode($text, true, 512, JSON_THROW_ON_ERROR);
        $status = (int) explode(' ', $http_response_header[0])[1];
        return $status < 400 ? $answer : throw new Problem($answer);
    }
}

$gradd = new Gradd($argv[1] ?? 'http://127.0.0.1:8080');

// One request: the value of a graph and its gradient.
$bowl = ['graph' => 'z = (x1 + 5) * x2 ** 2', 'variables' => ['x1' => 2.0, 'x2' => 3.0]];
['value' => $z, 'gradient' => $slope] = $gradd->ask('POST', '/v1/gradient', $bowl);
printf("z = %.1f, dz/dx1 = %.1f, dz/dx2 = %.1f\n", $z, $slope['x1'], $slope['x2']);

// A session keeps variables. A persistent tape in it answers as often as it is asked.
$session = '/v1/sessions/' . $gradd->ask('POST', '/v1/sessions', ['variables' => $bowl['variables']])['id'];
try {
    $opened = $gradd->ask('POST', "$session/tapes", ['graph' => $bowl['graph'], 'persistent' => true]);
    $tape = "$session/tapes/{$opened['tape']}/gradient";
    $byX1 = $gradd->ask('POST', $tape, ['target' => 'z', 'sources' => 'x1'])['gradient'];
    $byX2 = $gradd->ask('POST', $tape, ['target' => 'z', 'sources' => 'x2'])['gradient'];
    printf("the tape, asked twice: %.1f and %.1f\n", $byX1, $byX2);
} finally {
    $gradd->ask('DELETE', $session);
}

// A hundred steps of gradient descent are one request.
$found = $gradd->ask('POST', '/v1/minimize', [
    'graph' => 'y = 3 * x ** 2 + 2 * x - 1',
    'variables' => ['x' => 0.0],
    'optimizer' => ['name' => 'SGD', 'learning_rate' => 0.1],
    'steps' => 100,
]);
printf("after %d steps x = %.4f, y = %.4f\n", $found['steps'], $found['variables']['x'], $found['loss']);

// What is refused says what was found and what was expected.
try {
    $gradd->ask('POST', '/v1/gradient', ['graph' => 'y = redcue_sum(x)', 'variables' => ['x' => [1, 2]]]);
} catch (Problem $refused) {
    printf("refused with %d %s: %s\n", $refused->getCode(), $refused->problem['code'], $refused->getMessage());
}

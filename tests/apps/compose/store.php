<?php

declare(strict_types=1);

/** Says a line to the store and gives its answer, or why there is none. */
function store(string $line): string
{
    $stream = @stream_socket_client((string) getenv('STORE'), $code, $message, 2);
    if (!$stream) {
        http_response_code(502);
        return "no store: $message";
    }
    fwrite($stream, "$line\n");
    return trim((string) stream_get_contents($stream));
}

function version(): string
{
    return trim((string) file_get_contents(__DIR__ . '/built-version'));
}

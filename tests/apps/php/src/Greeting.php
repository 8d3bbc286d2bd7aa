<?php

declare(strict_types=1);

namespace Acme;

final class Greeting
{
    public static function text(): string
    {
        return 'Plain PHP, version ' . trim((string) file_get_contents(dirname(__DIR__) . '/VERSION'));
    }
}

<?php

namespace App\Http;

use Illuminate\Foundation\Http\Kernel as FrameworkKernel;
use Illuminate\Foundation\Http\Middleware\PreventRequestsDuringMaintenance;
use Illuminate\Foundation\Http\Middleware\ValidatePostSize;
use Illuminate\Routing\Middleware\SubstituteBindings;
use Illuminate\Session\Middleware\StartSession;

class Kernel extends FrameworkKernel
{
    protected $middleware = [
        PreventRequestsDuringMaintenance::class,
        ValidatePostSize::class,
    ];

    protected $middlewareGroups = [
        'web' => [StartSession::class, SubstituteBindings::class],
    ];
}

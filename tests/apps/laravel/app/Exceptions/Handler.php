<?php

namespace App\Exceptions;

use Illuminate\Foundation\Exceptions\Handler as FrameworkHandler;

class Handler extends FrameworkHandler
{
}

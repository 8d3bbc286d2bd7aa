<?php

namespace Stancl\Tenancy;

use Illuminate\Support\ServiceProvider;

class TenancyServiceProvider extends ServiceProvider
{
    public function boot(): void
    {
        $this->commands([Migrate::class, Run::class]);
    }
}

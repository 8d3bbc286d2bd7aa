<?php

use Illuminate\Support\Facades\Artisan;
use Illuminate\Support\Facades\DB;

Artisan::command('orders:beat', function (): void {
    DB::table('orders')->insert(['sku' => 'scheduled-by-version-' . config('app.version')]);
})->purpose('Leaves a mark each minute, so that a scheduler can be seen to run');

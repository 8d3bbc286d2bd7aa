<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Schema;

return new class extends Migration
{
    public function up(): void
    {
        Schema::create('tenants', function (Blueprint $table): void {
            $table->string('id')->primary();
        });
        DB::table('tenants')->insert([['id' => 'acme'], ['id' => 'beta'], ['id' => 'gamma']]);
    }

    public function down(): void
    {
        Schema::dropIfExists('tenants');
    }
};

<?php

use App\Http\Controllers\OrderController;
use Illuminate\Support\Facades\Route;

Route::get('/', [OrderController::class, 'index']);
Route::get('/queue', [OrderController::class, 'queue']);
Route::get('/recorded', [OrderController::class, 'recorded']);
Route::get('/up', [OrderController::class, 'healthy']);
Route::get('/wait', [OrderController::class, 'wait']);
Route::get('/greeting', [OrderController::class, 'greeting']);

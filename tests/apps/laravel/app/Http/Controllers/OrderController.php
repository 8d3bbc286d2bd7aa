<?php

namespace App\Http\Controllers;

use App\Jobs\RecordOrder;
use Illuminate\Http\JsonResponse;
use Illuminate\Http\Request;
use Illuminate\Http\Response;
use Illuminate\Routing\Controller;
use Illuminate\Support\Facades\DB;
use Illuminate\View\View;

class OrderController extends Controller
{
    public function index(): View
    {
        $manifest = json_decode((string) file_get_contents(public_path('build/manifest.json')), true);

        return view('orders', [
            'orders' => DB::table('orders')->count(),
            'version' => config('app.version'),
            'style' => $manifest['resources/assets/site.css']['file'],
        ]);
    }

    public function queue(): JsonResponse
    {
        RecordOrder::dispatch();

        return response()->json(['queued' => true]);
    }

    public function recorded(): JsonResponse
    {
        return response()->json(DB::table('orders')->orderBy('id')->pluck('sku'));
    }

    /** Takes as long as it is told to. */
    public function wait(Request $request): Response
    {
        usleep(1000 * min(20000, (int) $request->query('ms', '300')));

        return response('waited, version ' . config('app.version'));
    }

    /** A value of the project's environment. */
    public function greeting(): Response
    {
        return response((string) config('app.greeting'))->header('Content-Type', 'text/plain');
    }

    public function healthy(): JsonResponse
    {
        DB::select('select 1');

        return response()->json(['status' => 'ok', 'version' => config('app.version')]);
    }
}

<!doctype html>
<html lang="en">
<head>
    <meta charset="utf-8">
    <title>Orders</title>
    <link rel="stylesheet" href="/build/{{ $style }}">
</head>
<body>
    <h1>Orders, version {{ $version }}</h1>
    <p>{{ $orders }} recorded</p>
</body>
</html>

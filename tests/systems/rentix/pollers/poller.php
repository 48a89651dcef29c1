<?php
// A poller as PHP clients of the vendor write it: no look at the HTTP status, one question a second.
[, $host, $key, $number] = $argv;
while (true) {
    $context = stream_context_create(['http' => ['header' => "Authorization: ApiKey $key", 'ignore_errors' => true]]);
    $job = json_decode(file_get_contents("$host/api/v1/job/status?id=$number", false, $context), true);
    if ($job['status'] === 'completed') {
        echo 'Job completed: ', json_encode($job['resultData']), "\n";
        exit(0);
    }
    if ($job['status'] === 'failed') {
        fwrite(STDERR, $job['publicErrorMessage'] . "\n");
        exit(1);
    }
    sleep(1);
}

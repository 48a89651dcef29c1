"""The PHP poller, line for line, for machines without PHP: no look at the HTTP status, one question a second."""

import json
import sys
import time
import urllib.error
import urllib.request

host, key, number = sys.argv[1:]
while True:
    request = urllib.request.Request(
        f"{host}/api/v1/job/status?id={number}", headers={"Authorization": f"ApiKey {key}"}
    )
    try:
        answer = urllib.request.urlopen(request)
    except urllib.error.HTTPError as refused:
        answer = refused
    job = json.loads(answer.read())
    if job.get("status") == "completed":
        print("Job completed:", json.dumps(job["resultData"]))
        sys.exit(0)
    if job.get("status") == "failed":
        print(job["publicErrorMessage"], file=sys.stderr)
        sys.exit(1)
    time.sleep(1)

"""A poller in the manner that the vendor's page documents: no look at the HTTP status, no doubt about a key.

It takes `data`, reads `progress` of a live job and `result` of an ended one without asking whether they are there.
"""

import json
import sys
import time
import urllib.error
import urllib.request

base, key, name, pause_s = sys.argv[1:]


def ask() -> dict:
    request = urllib.request.Request(f"{base}/jobs/{name}", headers={"Authorization": f"Bearer {key}"})
    try:
        answer = urllib.request.urlopen(request)
    except urllib.error.HTTPError as refused:
        answer = refused
    return json.loads(answer.read())["data"]


give_up_at = time.time() + 300
while time.time() < give_up_at:
    job = ask()
    if job["status"] in ("completed", "failed", "cancelled"):
        print(f"Job {job['status']}: {json.dumps(job['result'])}")
        sys.exit(0)
    print(f"Job {job['status']}: {job['progress']}%", flush=True)
    time.sleep(float(pause_s))
sys.exit("polling timed out")

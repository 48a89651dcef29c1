"""Polls a job as the vendor documents it for Python: every key is taken for granted."""

import json
import sys
import time
import urllib.request

base, key, job = sys.argv[1:]
while True:
    request = urllib.request.Request(f"{base}/status-api/{job}", headers={"x-api-key": key})
    with urllib.request.urlopen(request) as answer:
        body = json.load(answer)
    if body["status"] in ("queued", "processing"):
        print(body["message"], flush=True)
        time.sleep(body["retry_after"])
    elif body["status"] == "success":
        print("result", body["result"]["file"], flush=True)
        break
    elif body["status"] == "failed":
        print("failed", body["error"]["code"], body["error"]["message"], body["error"]["details"]["line"], flush=True)
        break
    else:
        raise SystemExit(f"unknown status in {body}")

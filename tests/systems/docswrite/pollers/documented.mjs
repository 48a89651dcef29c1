// The two ways in which the vendor's pages poll: a loop that waits five seconds, and a timer of two.
// Host, token, job and the way come from the command line.
const [host, token, job, way] = process.argv.slice(2);

async function ask() {
  const answer = await fetch(`${host}/api/job/status`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "x-access-token": token },
    body: JSON.stringify({ jobId: job, queueType: "post" }),
  });
  return answer.json();
}

async function waitForJobCompletion() {
  for (;;) {
    const { success, data } = await ask();
    if (success && data.state === "completed") {
      console.log("completed", data.returnValue.post_url);
      return;
    }
    if (success && data.state === "failed") {
      console.error("failed", data.failedReason);
      return;
    }
    await new Promise((go) => setTimeout(go, 5000));
  }
}

function trackProgress() {
  const timer = setInterval(async () => {
    const { success, data } = await ask();
    if (!success) return;
    console.log("progress", data.progress);
    if (data.state === "completed" || data.state === "failed") {
      clearInterval(timer);
      console.log(data.state, data.failedReason ?? data.returnValue.post_url);
    }
  }, 2000);
}

await { waitForJobCompletion, trackProgress }[way]();

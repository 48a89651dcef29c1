// Polls a job as the vendor documents it for JavaScript: a switch on the status, and a timer of retry_after seconds.
const [base, key, job] = process.argv.slice(2);

async function poll() {
  const answer = await fetch(`${base}/status-api/${job}`, { headers: { "x-api-key": key } });
  const body = await answer.json();
  switch (body.status) {
    case "success":
      console.log("result", body.result.file);
      break;
    case "failed":
      console.log("failed", body.error.code, body.error.message, body.error.details.line);
      break;
    default:
      if (typeof body.retry_after !== "number" || typeof body.message !== "string") throw new Error(JSON.stringify(body));
      console.log(body.message);
      setTimeout(poll, body.retry_after * 1000);
  }
}

await poll();

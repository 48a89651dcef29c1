// The vendor's documented poller; only the host, the key and the job's number come from the command line.
const [host, key, number] = process.argv.slice(2);

async function waitForJob(jobId) {
  while (true) {
    const response = await fetch(
      `${host}/api/v1/job/status?id=${jobId}`,
      { headers: { 'Authorization': `ApiKey ${key}` } }
    );

    const job = await response.json();

    if (job.status === 'completed') {
      console.log('Job completed:', job.resultData);
      return job;
    }

    if (job.status === 'failed') {
      throw new Error(job.publicErrorMessage);
    }

    // Wait one second before the next check
    await new Promise(r => setTimeout(r, 1000));
  }
}

const job = await waitForJob(Number(number));

// The server is asked here alone: with the session's word, and errors in its own words.

/** What every change must carry. */
let word = "";
let signedOut = () => {};

export function onSignedOut(call) {
  signedOut = call;
}

export async function giveKey(key) {
  word = (await ask("/api/login", key)).word;
}

/** Go on with the session of before: the page was loaded anew. */
export async function goOn() {
  word = (await ask("/api/word")).word;
}

export async function ask(path, body, headers) {
  const options = { headers: { ...(headers || {}) } };
  if (body !== undefined) {
    options.method = "POST";
    options.headers["x-cfedge-csrf"] = word;
    if (body instanceof Blob || typeof body === "string") options.body = body;
    else {
      options.body = JSON.stringify(body);
      options.headers["content-type"] = "application/json";
    }
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("the console does not answer: is it still running?");
  }
  const found = await answer.json().catch(() => ({ error: `status ${answer.status}` }));
  if (answer.status === 401 && path !== "/api/login" && path !== "/api/word") {
    signedOut("The session ended: give the key again.");
  }
  if (!answer.ok) throw Object.assign(new Error(found.error), { status: answer.status });
  return found;
}

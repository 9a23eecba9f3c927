/** Gerrit's REST interface, as the web UI and administrators use it: basic authentication, JSON behind a guard line. */
export interface Rest {
  /** Answers the parsed body, undefined where there is none. Rejects with Gerrit's words on any status but 2xx. */
  call(method: string, path: string, body?: object): Promise<unknown>;
  text(method: string, path: string, body: string): Promise<unknown>;
}

const DEADLINE = 30_000;

export function restOf(url: string, [user, password]: readonly [string, string]): Rest {
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

  async function send(method: string, path: string, type: string, body: string | undefined) {
    const response = await fetch(new URL(`a/${path}`, url), {
      method,
      headers: { authorization, ...(body === undefined ? {} : { 'content-type': type }) },
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(DEADLINE),
    });
    const answer = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${answer.trim()}`);
    const json = answer.replace(/^\)\]\}'\n/, '');
    return json.trim() === '' ? undefined : (JSON.parse(json) as unknown);
  }

  return {
    call: (method, path, body) =>
      send(
        method,
        path,
        'application/json; charset=UTF-8',
        body === undefined ? undefined : JSON.stringify(body),
      ),
    text: (method, path, body) => send(method, path, 'text/plain', body),
  };
}

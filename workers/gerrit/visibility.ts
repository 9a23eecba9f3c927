/**
 * Who would see our comments. Several programs read CI comments by regular expressions of their own, and a name or a header
 * that one of them does not know makes a CI invisible there without any error. These are their rules, restated from public
 * sources (the results tab of OpenDev's Gerrit, hideci.js, ciwatch, Cinder's compliance report).
 *
 * Pure; applied to our own texts only.
 */

/** Which readers take an account of this full name for a CI. */
export function seenByName(fullName: string): { readonly summary: boolean; readonly hideci: boolean } {
  return { summary: /^(.* CI|Zuul)/.test(fullName), hideci: /^(.* CI|Jenkins|Zuul)$/.test(fullName) };
}

/** One sentence when the account's full name would hide its results; undefined when all readers take it. */
export function nameWarning(fullName: string): string | undefined {
  const seen = seenByName(fullName);
  if (seen.summary && seen.hideci) return undefined;
  const blind = [
    seen.summary ? [] : ["Gerrit's results tab"],
    seen.hideci ? [] : ['the CI table of older Gerrits'],
  ].flat();
  return `The account's full name ${JSON.stringify(fullName)} hides our results from ${blind.join(' and ')}: it should end in " CI", such as "Acme Storage CI".`;
}

/** `Hi NAME, you have successfully connected over SSH.`: what Gerrit says to somebody who opens a shell. */
export function nameInGreeting(greeting: string): string | undefined {
  return /^\s*Hi (.+), you have successfully connected over SSH/m.exec(greeting)?.[1]?.trim();
}

export interface SummaryRow {
  readonly job: string;
  readonly link: string | null;
  readonly result: string;
  readonly time: string | undefined;
  readonly error: string | undefined;
}

/** What each reader makes of a stored message (Gerrit's `Patch Set N:` header included). */
export interface SeenMessage {
  /** The results tab; undefined: it ignores the message. */
  readonly summary:
    | {
        readonly status: string;
        readonly pipeline: string | undefined;
        readonly results: readonly SummaryRow[];
      }
    | undefined;
  readonly hideciPipeline: string | undefined;
  readonly ciwatch: {
    readonly pipeline: string | undefined;
    readonly jobs: Readonly<Record<string, { url: string; result: string }>>;
  };
  readonly cireporter: readonly { name: string; url: string; result: string; time: string | undefined }[];
}

export function seenByReaders(message: string): SeenMessage {
  return {
    summary: seenBySummary(message),
    hideciPipeline: /Build \w+ \(([-\w]+) pipeline\)/.exec(message)?.[1],
    ciwatch: seenByCiwatch(message),
    cireporter: seenByCireporter(message),
  };
}

function seenBySummary(message: string): SeenMessage['summary'] {
  const named = /^Build (\w+) \(([\w]+) pipeline\)\./m.exec(message);
  const status = named?.[1] ?? /^Build (\w+)\./m.exec(message)?.[1];
  if (status === undefined) return undefined;
  const rows = message.matchAll(
    /^- (?<job>[^ ]+) (?:(?<link>https?:\/\/[^ ]+)|[^ ]+) : ((ERROR (?<errormsg>.*?) in (?<errtime>.*))|(?<result>[^ ]+)( in (?<time>.*))?)/gm,
  );
  const results = [...rows].map(({ groups = {} }): SummaryRow => {
    // The tab offers no link for a job that did not run.
    const result = groups['result']?.trim() ?? 'ERROR';
    const link = result === 'SKIPPED' ? null : (groups['link'] ?? null);
    const time = groups['time'] ?? groups['errtime'];
    return { job: groups['job'] ?? '', link, result, time, error: groups['errormsg'] };
  });
  return { status, pipeline: named?.[2], results };
}

function seenByCiwatch(message: string): SeenMessage['ciwatch'] {
  const jobs: Record<string, { url: string; result: string }> = {};
  const rows = message.matchAll(
    /[-*]\s+([^\s*]+)\s+(http[^\s*]+) : (FAILURE|SUCCESS|NOT_REGISTERED|UNSTABLE)/g,
  );
  for (const [, job = '', url = '', result = ''] of rows) jobs[job] = { url, result };
  // ciwatch looks for the pipeline in the third line and nowhere else.
  return { pipeline: /\((.*)\spipeline\)/.exec(message.split('\n')[2] ?? '')?.[1], jobs };
}

function seenByCireporter(message: string): SeenMessage['cireporter'] {
  return message.split('\n').flatMap((line) => {
    if (!/^[*-] /.test(line)) return [];
    const [, name = '', url = '', , result = '', word, ...time] = line.split(/\s+/);
    if (/^(https?|ftp):\/\//.test(name)) return [];
    // It takes a time of two words and more; `in 0s` is none to it.
    return [
      { name, url, result, time: word === 'in' && time.length > 1 ? time.join(' ').trim() : undefined },
    ];
  });
}

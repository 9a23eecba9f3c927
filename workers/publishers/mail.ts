import { gzipSync } from 'node:zlib';
import { z } from 'zod';
import type { MailMoment } from '../../jobs/definition/publisher.ts';
import { asFault } from '../../pipelines/fault.ts';
import { unreachable } from '../../pipelines/unreachable.ts';
import { crashpoint } from '../crashpoint.ts';
import { jenkinsResult, rankOf } from '../neighbours.ts';
import type { BuildMail } from './mailer.ts';
import { expanded, type Publish, type Publishing, type Services, wholeOf } from './publishing.ts';

/**
 * Mails about a build. A mail is sent once where that can be known: it is written down as sent, and one whose fate a crash hides
 * is sent again under the same Message-ID, by which mail systems drop the second copy.
 */

export const publishMail: Publish<'mail'> = async (publisher, publishing, services) => {
  const now = jenkinsResult(publishing.verdict().result);
  const before = await lastResult(publishing, services);
  const isWell = now === 'SUCCESS' && before !== undefined && before !== 'SUCCESS';
  const wanted =
    now === 'FAILURE' ||
    (now === 'UNSTABLE' && (publisher.everyUnstable || before !== 'UNSTABLE')) ||
    (isWell && before !== 'ABORTED');
  if (!wanted) return;
  const { action, url } = publishing;
  const word = isWell
    ? 'Jenkins build is back to normal'
    : now === 'UNSTABLE'
      ? 'Build became unstable'
      : 'Build failed';
  const { detail } = publishing.verdict();
  await send(publishing, services, 'mail', {
    to: publisher.recipients,
    replyTo: [],
    subject: `${word}: ${action.job} #${action.number}`,
    body: `See ${url}\n\n${detail === undefined ? '' : `${detail}\n\n`}${await tail(publishing, 250)}`,
    html: false,
    attachments: [],
  });
};

const largestAttachment = 10 * 1024 * 1024;
const mostAttached = 25 * 1024 * 1024;

export const publishMailExt: Publish<'mail-ext'> = async (publisher, publishing, services) => {
  if (publisher.on.length === 0) return;
  const past = await lastResults(publishing, services);
  const now = jenkinsResult(publishing.verdict().result);
  if (!publisher.on.some((each) => isMoment(each, now, past))) return;
  const values = await valuesOf(publishing, publisher.subject, publisher.body);
  const to = publisher.recipients.flatMap((each) => expanded(each, values).split(/[\s,]+/)).filter(isAddress);
  if (to.length === 0) {
    await publishing.say('No mail: nobody is to receive it');
    return;
  }
  const attachments: { name: string; content: Buffer }[] = [];
  let left = mostAttached;
  if (publisher.attachments.length > 0) {
    for await (const file of publishing.collect(publisher.attachments, [])) {
      const content = await wholeOf(file, Math.min(largestAttachment, left));
      if (content === undefined) continue;
      left -= content.length;
      attachments.push({ name: file.path.split('/').at(-1) ?? file.path, content });
    }
  }
  if (publisher.attachLog) {
    const text = Buffer.from(await tail(publishing, 100_000));
    attachments.push(
      publisher.compressLog
        ? { name: 'build.log.gz', content: gzipSync(text) }
        : { name: 'build.log', content: text },
    );
  }
  const { from } = publisher;
  await send(publishing, services, 'mail-ext', {
    to,
    replyTo: publisher.replyTo.map((each) => expanded(each, values)).filter(isAddress),
    ...(from === undefined ? {} : { from: expanded(from, values) }),
    subject: tokens(publisher.subject, values),
    body: tokens(publisher.body, values),
    html: publisher.html,
    attachments,
  });
};

/** `past`: results of the builds before, the newest first. */
function isMoment(moment: MailMoment, now: string, past: readonly string[]): boolean {
  const [before, beforeThat] = past;
  const steady = past.find((result) => result !== 'ABORTED' && result !== 'NOT_BUILT');
  switch (moment) {
    case 'always':
      return true;
    case 'success':
      return now === 'SUCCESS';
    case 'unstable':
      return now === 'UNSTABLE';
    case 'failure':
      return now === 'FAILURE';
    case 'aborted':
      return now === 'ABORTED';
    case 'not-built':
      return now === 'NOT_BUILT';
    case 'first-failure':
      return now === 'FAILURE' && before !== 'FAILURE';
    case 'second-failure':
      return now === 'FAILURE' && before === 'FAILURE' && beforeThat !== 'FAILURE';
    case 'first-unstable':
      return now === 'UNSTABLE' && before !== 'UNSTABLE';
    case 'still-failing':
      return now === 'FAILURE' && before === 'FAILURE';
    case 'still-unstable':
      return now === 'UNSTABLE' && before === 'UNSTABLE';
    case 'fixed':
      return now === 'SUCCESS' && (before === 'FAILURE' || before === 'UNSTABLE');
    case 'fixed-unhealthy':
      return now === 'SUCCESS' && (steady === 'FAILURE' || steady === 'UNSTABLE');
    case 'improvement':
      return before !== undefined && rankOf(now) < rankOf(before);
    case 'regression':
      return before !== undefined && rankOf(now) > rankOf(before);
    default:
      return unreachable(moment);
  }
}

const Results = z.array(z.string());

/** Written down with the first question: a build that ends while we restart must not change the answer. */
async function lastResults(publishing: Publishing, { neighbours }: Services): Promise<string[]> {
  const { action } = publishing;
  return await publishing.once('results-before', Results, async () => {
    const past = (await neighbours?.past(action.job, 20)) ?? [];
    return past.filter((build) => build.number < action.number).map((build) => jenkinsResult(build.result));
  });
}

async function lastResult(publishing: Publishing, services: Services): Promise<string | undefined> {
  return (await lastResults(publishing, services))[0];
}

const Sent = z.object({ problem: z.string().optional() });

async function send(
  publishing: Publishing,
  { mailer }: Services,
  what: string,
  mail: Omit<BuildMail, 'id'>,
): Promise<void> {
  const { action } = publishing;
  const done = await publishing.once(what, Sent, async () => {
    if (mailer === undefined) return { problem: 'the site has no smtp connection' };
    crashpoint('build.mail.before');
    try {
      await mailer.send({ ...mail, id: `${action.id}.${what}` });
    } catch (caught) {
      const fault = asFault(caught);
      if (fault.code !== 'mail-away') throw fault;
      return { problem: fault.message };
    }
    crashpoint('build.mail.after');
    return {};
  });
  const to = mail.to.join(', ');
  await publishing.say(done.problem === undefined ? `Mailed ${to}` : `Cannot mail ${to}: ${done.problem}`);
}

/** What texts of a mail may name: the build's variables, and Email-ext's words for the build. */
async function valuesOf(
  publishing: Publishing,
  ...texts: readonly string[]
): Promise<Record<string, string>> {
  const { action, url, env, exit } = publishing;
  const { result, detail } = publishing.verdict();
  const status = {
    SUCCESS: 'Successful',
    UNSTABLE: 'Unstable',
    FAILURE: 'Failure',
    NOT_BUILT: 'Not Built',
    ABORTED: 'Aborted',
  };
  const values: Record<string, string> = {
    ...env,
    PROJECT_NAME: action.job,
    BUILD_STATUS: status[jenkinsResult(result)],
    BUILD_RESULT: result,
    BUILD_NUMBER: `${action.number}`,
    BUILD_URL: url,
    BUILD_DURATION: `${Math.round((exit.finishedAt - exit.startedAt) / 1000)} s`,
    CAUSE: detail ?? '',
  };
  values['DEFAULT_SUBJECT'] = `${action.job} - Build # ${action.number} - ${values['BUILD_STATUS']}!`;
  values['DEFAULT_CONTENT'] =
    `${action.job} - Build # ${action.number} - ${values['BUILD_STATUS']}:\n\nSee ${url} to view the results.\n`;
  if (texts.some((text) => text.includes('BUILD_LOG'))) values['BUILD_LOG'] = await tail(publishing, 250);
  return values;
}

/** Also `${BUILD_LOG, maxLines=50}` and its like: the options of a word count where they are known. */
function tokens(text: string, values: Readonly<Record<string, string>>): string {
  const plain = text.replace(/\$\{(\w+),([^}]*)\}/g, (whole, name: string, options: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined) return whole;
    const lines = /maxLines\s*=\s*(\d+)/.exec(options)?.[1];
    return lines === undefined ? value : value.split('\n').slice(-Number(lines)).join('\n');
  });
  return expanded(plain, values);
}

function isAddress(text: string): boolean {
  return text !== '' && !text.includes('$');
}

/** The last lines of the console. */
async function tail(publishing: Publishing, lines: number): Promise<string> {
  let kept = '';
  const decoder = new TextDecoder();
  for await (const chunk of publishing.console()) {
    kept = (kept + decoder.decode(chunk, { stream: true })).slice(-4 * 1024 * 1024);
  }
  return kept.split('\n').slice(-lines).join('\n');
}

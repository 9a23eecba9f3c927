import { MailMoment, type Publisher } from '../../definition/publisher.ts';
import type { Component } from '../macros.ts';
import { isList, pythonText } from '../python.ts';
import { listOf, needed, tellIdle, textOf, wordOf } from './options.ts';
import { type Report, readFlag, readPatterns } from './report.ts';

/** Mailer and Email-ext. Whoever wrote the patch is never guessed: mail goes to the addresses that are written down. */

export function mapMail(part: Component, report: Report): Publisher[] {
  const options = report.options('publisher', part, [
    'recipients',
    'notify-every-unstable-build',
    'send-to-individuals',
  ]);
  if (needed('publisher', part, options, 'recipients', report) === undefined) return [];
  tellIdle(part, options, ['send-to-individuals'], report);
  return [
    {
      kind: 'mail',
      recipients: listOf(options['recipients'], /[\s,]+/),
      everyUnstable: readFlag(options['notify-every-unstable-build'], true),
    },
  ];
}

const MOMENTS = MailMoment.options;
const EXT = [
  'disable-publisher',
  'recipients',
  'reply-to',
  'from',
  'content-type',
  'subject',
  'body',
  'attach-build-log',
  'compress-log',
  'attachments',
  'save-output',
  'matrix-trigger',
  'send-to',
  ...MOMENTS,
];

export function mapMailExt(part: Component, report: Report): Publisher[] {
  const options = report.options('publisher', part, EXT);
  if (readFlag(options['disable-publisher'], false)) {
    report.ignored('ignored-publisher', 'The publisher email-ext is disabled.', part.at, part);
    return [];
  }
  tellIdle(part, options, ['save-output', 'matrix-trigger'], report);
  const groups = isList(options['send-to']) ? options['send-to'].map(pythonText) : ['recipients'];
  for (const group of groups) {
    if (group === 'recipients') continue;
    const message = `email-ext does not write to ${group}: nobody is guessed.`;
    report.ignored('ignored-option', message, report.placeIn(part, 'send-to'), part);
  }
  const type = wordOf(
    'publisher',
    part,
    'content-type',
    options['content-type'],
    ['text', 'html', 'default'],
    'default',
    report,
  );
  const from = textOf(options['from']);
  const on = MOMENTS.filter((moment) => readFlag(options[moment], moment === 'failure'));
  return [
    {
      kind: 'mail-ext',
      recipients: groups.includes('recipients')
        ? listOf(options['recipients'] ?? '$DEFAULT_RECIPIENTS', /[\s,]+/)
        : [],
      ...(from === undefined || from === '' ? {} : { from }),
      replyTo: listOf(options['reply-to'] ?? '', /[\s,]+/),
      html: type === 'html',
      subject: textOf(options['subject']) ?? '$DEFAULT_SUBJECT',
      body: textOf(options['body']) ?? '$DEFAULT_CONTENT',
      attachLog: readFlag(options['attach-build-log'], false),
      compressLog: readFlag(options['compress-log'], false),
      attachments: readPatterns(options['attachments']),
      on,
    },
  ];
}

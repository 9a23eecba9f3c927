import { Refusal } from '../site.ts';
import type { UploadOptions } from '../specs.ts';

/** `_` and `+` stand for blanks, the rest is percent-encoded; what cannot be decoded stays as it is. */
function decodeMessage(raw: string): string {
  const text = raw.replaceAll(/[_+]/g, ' ');
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** `topic=x,wip,r=bob,l=Verified+1` of `refs/for/master%...` and of push options. */
export function parsePushOptions(options: readonly string[]): UploadOptions {
  const parsed: {
    topic?: string;
    wip?: boolean;
    private?: boolean;
    message?: string;
    hashtags: string[];
    reviewers: string[];
    labels: Record<string, number>;
  } = { hashtags: [], reviewers: [], labels: {} };
  for (const option of options) {
    const equals = option.indexOf('=');
    const name = equals < 0 ? option : option.slice(0, equals);
    const raw = equals < 0 ? '' : option.slice(equals + 1);
    switch (name) {
      case 'topic':
        parsed.topic = raw;
        break;
      case 'hashtag':
      case 't':
        parsed.hashtags.push(raw);
        break;
      case 'wip':
      case 'work-in-progress':
        parsed.wip = true;
        break;
      case 'ready':
        parsed.wip = false;
        break;
      case 'private':
        parsed.private = true;
        break;
      case 'remove-private':
        parsed.private = false;
        break;
      case 'r':
      case 'reviewer':
        parsed.reviewers.push(raw);
        break;
      case 'm':
      case 'message':
        parsed.message = decodeMessage(raw);
        break;
      case 'l':
      case 'label': {
        const match = /^([A-Za-z0-9-]+?)(?:=?([+-]?\d+))?$/.exec(raw);
        if (match === null) throw new Refusal(400, `"${raw}" is not a valid label vote`);
        parsed.labels[match[1] ?? ''] = Number(match[2] ?? 1);
        break;
      }
      case 'cc':
      case 'notify':
      case 'trace':
      case 'edit':
      case 'publish-comments':
      case 'no-publish-comments':
        break;
      default:
        throw new Refusal(400, `"--${name}" is not a valid option`);
    }
  }
  const { hashtags, ...rest } = parsed;
  return { ...rest, ...(hashtags.length > 0 ? { hashtags } : {}) };
}

import { asFault } from '../../pipelines/fault.ts';

/** What a look at one thing came to. */
export interface Finding {
  readonly what: string;
  /** `bad` keeps Stackgate from working, `warning` from being of use to others. */
  readonly state: 'good' | 'warning' | 'bad';
  readonly says: string;
  /** What to do. */
  readonly hint?: string | undefined;
}

/** Looks at one thing; a Fault is a finding, too. */
export async function look(
  what: string,
  work: () => Promise<string | Omit<Finding, 'what'>>,
): Promise<Finding> {
  try {
    const found = await work();
    return typeof found === 'string' ? { what, state: 'good', says: found } : { what, ...found };
  } catch (caught) {
    const { message, hint } = asFault(caught);
    return { what, state: 'bad', says: message, hint };
  }
}

export const isGood = ({ state }: Finding): boolean => state === 'good';

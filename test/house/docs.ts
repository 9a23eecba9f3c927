import { writeFileSync } from 'node:fs';
import { configurationReference } from '../../cli/reference.ts';

/** `npm run docs`: writes the pages that are made from the code. */
writeFileSync(new URL('../../docs/configuration.md', import.meta.url), configurationReference());

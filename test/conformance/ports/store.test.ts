import { memoryStore } from '../../../workers/memory/store.ts';
import { testPglite } from './openers.ts';
import { storeConformance } from './store.ts';
import { storeOnDatabase } from './store-on-database.ts';

storeConformance('memory', async (now) => memoryStore(now));
storeOnDatabase('pglite', testPglite);

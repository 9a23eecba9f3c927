import { memoryPool } from '../../../workers/memory/pool.ts';
import { testPglite } from './openers.ts';
import { poolRecordsConformance } from './poolrecords.ts';
import { poolRecordsOnDatabase } from './poolrecords-on-database.ts';

poolRecordsConformance('memory', async () => memoryPool());
poolRecordsOnDatabase('pglite', testPglite);

import { describe } from 'vitest';
import { testPostgres } from '../../conformance/ports/openers.ts';
import { poolRecordsOnDatabase } from '../../conformance/ports/poolrecords-on-database.ts';
import { storeOnDatabase } from '../../conformance/ports/store-on-database.ts';
import { postgresMissing } from '../../harness/servers.ts';

describe.skipIf(postgresMissing() !== undefined)('a server on this machine', () => {
  storeOnDatabase('postgres', testPostgres);
  poolRecordsOnDatabase('postgres', testPostgres);
});

/** The API with the site, as Lambda starts it. */
import { createHandler } from '../../../api/lambda.ts';
import { secretSettings } from './secrets.ts';

export const handler = await createHandler({ ...process.env, ...(await secretSettings(process.env)) });

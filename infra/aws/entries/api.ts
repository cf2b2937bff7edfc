/** The API with the site, as Lambda starts it. */
import { createHandler } from '../../../api/lambda.ts';
import { secretSettings } from './secrets.ts';
import { viewerBehind } from './viewer.ts';

const settings = { ...process.env, ...(await secretSettings(process.env)) };

export const handler = await createHandler(settings, viewerBehind(settings['PATCHBAY_ORIGIN_TOKEN']));

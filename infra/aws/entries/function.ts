/** A function of the registry, as Lambda starts it: PATCHBAY_FUNCTION says which. */
import { readConfig } from '../../../api/config.ts';
import { handlerOf } from '../../../api/lambda-function.ts';
import { secretSettings } from './secrets.ts';

const settings = { ...process.env, ...(await secretSettings(process.env)) };

export const handler = handlerOf(settings['PATCHBAY_FUNCTION'], readConfig(settings));

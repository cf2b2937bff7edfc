/** Accounts and sessions, by the library that keeps them on the server. */
import { createAuthClient } from 'better-auth/client';

export const accounts = () => createAuthClient({ baseURL: location.origin });

/** Why a browser that came back from GitHub was not let in, by the code that the server sends it here with. */
const REASONS: Readonly<Record<string, string>> = {
  access_denied: 'GitHub was not allowed to say who you are.',
  account_not_linked:
    'There is an account with your e-mail address here, which GitHub does not open: sign in with its password.',
  email_not_found: 'GitHub knows no e-mail address of yours: add one there, then try again.',
  name_invalid:
    'Your name at GitHub cannot be a name here: make an account with a password, under another name.',
  name_taken:
    'Your name at GitHub is somebody else’s here: make an account with a password, under another name.',
  signup_disabled: 'There is no account of yours here.',
  state_mismatch: 'Signing in took too long, or was begun in another browser: try again.',
};

/** In words for people. What comes with the code is not shown: anybody can write it into an address. */
export const refusalOf = (code: string): string =>
  REASONS[code] ?? 'Signing in with GitHub did not work: try again.';

import { useAnswer } from "./answer.ts";
import { PASSWORD_POLICY, type PasswordPolicyData } from "./queries.ts";

type Policy = PasswordPolicyData["passwordPolicy"];

/** The server's rules for a new password: a hint for its field, and what is wrong with one. */
export interface NewPassword {
  hint: string | undefined;
  /** What can be said before asking the server, which decides and also knows what is easy to guess; null when nothing. */
  problem(password: string): string | null;
}

/** Asks for the rules; until they are there, only the empty password is refused. */
export function useNewPassword(): NewPassword {
  const policy = useAnswer<PasswordPolicyData>(PASSWORD_POLICY).data?.passwordPolicy;
  return {
    hint:
      policy && `${policy.minLength} to ${policy.maxLength} characters. Long beats complicated.`,
    problem: (password) => problemOf(password, policy),
  };
}

function problemOf(password: string, policy: Policy | undefined): string | null {
  if (password === "") return "Please choose a password.";
  const length = [...password.normalize("NFC")].length;
  if (policy && length < policy.minLength)
    return `Please use at least ${policy.minLength} characters; this has ${length}.`;
  if (policy && length > policy.maxLength)
    return `Please use at most ${policy.maxLength} characters; this has ${length}.`;
  return null;
}

/* Where this program keeps what outlives it: $XDG_STATE_HOME/sharedtop, by default
 * ~/.local/state/sharedtop. */
#ifndef BACKEND_STATEDIR_H
#define BACKEND_STATEDIR_H

/* The path of name below it (NULL: itself); nothing is made. The caller frees it. NULL: *error (the
 * caller frees it) says why there is no such place (no HOME). */
char *statedir_path(const char *name, char **error);

/* Makes the folder path and its missing parents, 0700. NULL: it is there; else why not, one line,
 * which the caller frees. */
char *statedir_make(const char *path);

/* NULL when the folder is this user's own and no link; else why not, one line, which the caller
 * frees. Whoever owns a folder decides what is in it: with a sudo that keeps HOME that is not us. */
char *statedir_check_owner(const char *path);

#endif

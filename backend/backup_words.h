/* Sizes and times as a backup writes them. */
#ifndef BACKEND_BACKUP_WORDS_H
#define BACKEND_BACKUP_WORDS_H

#define BACKUP_WORD 32

/* "1.2G" and "3m12s"; "–" if absent (negative, NAN). They return out. */
const char *backup_bytes(char out[BACKUP_WORD], double bytes);
const char *backup_duration(char out[BACKUP_WORD], double seconds);

/* RFC 3339, UTC, of now; and back as seconds since 1970, NAN if it is none. */
const char *backup_now(char out[BACKUP_WORD]);
double backup_time(const char *text);

#endif

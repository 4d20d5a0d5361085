/* Small text files (configuration, env file, what is kept), whole, and how safe their modes are.
 * They may hold secrets: nothing here keeps or prints content. */
#ifndef BACKEND_TEXTFILE_H
#define BACKEND_TEXTFILE_H

#include <stdbool.h>
#include <stddef.h>

/* Only regular files, or pipes too (`--config <(command)`), which wait for their writer: no pipes
 * while a loop runs. */
enum textfile_kind { TEXTFILE_REGULAR, TEXTFILE_OR_PIPE };

/* The content, NUL-terminated, of at most 1 MiB; the caller frees it with
 * mem_free_secret(text, *len). NULL: *error is the reason ("No such file or directory"), without
 * the path; the caller frees it. */
char *textfile_read(const char *path, enum textfile_kind kind, size_t *len, char **error);

/* Writes all of it. False: errno says why not. */
bool textfile_write(int fd, const char *text, size_t len);

/* True when the file exists and group or others may read it. */
bool textfile_readable_by_others(const char *path);

/* path as a shell takes it: in single quotes if it holds anything but plain characters. The caller
 * frees it. */
char *textfile_shell_quoted(const char *path);

#endif

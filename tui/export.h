/* A table's rows as JSON, CSV and text, from its columns. */
#ifndef TUI_EXPORT_H
#define TUI_EXPORT_H

#include "backend/base/strbuf.h"
#include "tui/table.h"

#include <jansson.h>

/* An array of objects, a member a column, hidden ones too. Absent is null; texts are valid UTF-8
 * with their lines kept. The caller owns the reference. */
json_t *export_json(const struct table_class *class, const void *const *rows, size_t count,
                    const void *context);

/* RFC 4180, with a heading line of the columns' names; absent is empty. */
void export_csv(const struct table_class *class, const void *const *rows, size_t count,
                const void *context, struct strbuf *out);

/* Columns of text with headings, at most width columns wide. */
void export_text(const struct table_class *class, const void *const *rows, size_t count,
                 const void *context, int width, struct strbuf *out);

/* What a file of that name is to hold: JSON (.json), text (.txt, .log) or CSV. Text is a line a row,
 * without headings where the class makes its own lines. */
void export_file(const char *path, const struct table_class *class, const void *const *rows,
                 size_t count, const void *context, struct strbuf *out);

#endif

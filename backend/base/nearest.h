/* What somebody may have meant by a misspelt word. */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include <stddef.h>

/* The nearest of count names to a misspelt one (edit distance, or the one that it abbreviates), or
 * NULL if none is near. Case does not count. */
const char *nearest_name(const char *word, const char *const *names, size_t count);

#endif

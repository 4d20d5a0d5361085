/* Allocation that cannot fail quietly. Every function returns memory that the caller frees with
 * free(), or does not return: the failure hook runs (main restores the terminal in it) and the
 * process exits with status 70. Knows neither server nor screen; both layers may use base/. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>

void *mem_alloc(size_t size);
void *mem_zalloc(size_t size);

/* Resizes old (may be NULL) to count elements of size bytes; an overflow counts as a failure. */
void *mem_array(void *old, size_t count, size_t size);

/* Copies of strings; NULL gives NULL. */
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n);

char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *mem_vprintf(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

/* Sets what runs once, before the exit, when memory is out. It must not allocate. */
void mem_on_failure(void (*hook)(void));

/* Overwrites size bytes in a way that the compiler does not remove, then frees p (may be NULL). */
void mem_free_secret(void *p, size_t size);

#endif

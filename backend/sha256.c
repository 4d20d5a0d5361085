#include "backend/base/mem.h"
#include "backend/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK = 256 * 1024 };

static void to_hex(const uint8_t digest[SHA256_DIGEST_SIZE], char hex[65])
{
    for (size_t i = 0; i < SHA256_DIGEST_SIZE; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

static bool add_file(struct sha256_ctx *sum, int fd, uint8_t *block, bool (*stop)(void *context),
                     void *context)
{
    off_t at = 0;

    for (;;) {
        ssize_t n;

        if (stop && stop(context)) {
            errno = ECANCELED;
            return false;
        }
        n = pread(fd, block, BLOCK, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        sha256_update(sum, (size_t)n, block);
        at += n;
    }
}

bool sha256_file(int fd, char hex[65], bool (*stop)(void *context), void *context)
{
    uint8_t *block = mem_alloc(BLOCK), digest[SHA256_DIGEST_SIZE];
    struct sha256_ctx sum;
    bool whole;
    int saved;

    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    sha256_init(&sum);
    whole = add_file(&sum, fd, block, stop, context);
    saved = errno;
    free(block);
    errno = saved;
    if (!whole)
        return false;
    sha256_digest(&sum, sizeof(digest), digest);
    to_hex(digest, hex);
    return true;
}

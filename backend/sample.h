/* What a source answered at one moment: constant once published, reference counted, stamped. The
 * structs of pg_data.h and redis_data.h begin with a struct sample. One thread (the loop's) only. */
#ifndef BACKEND_SAMPLE_H
#define BACKEND_SAMPLE_H

#include <stdint.h>

struct sample {
    unsigned refs;
    uint64_t at;         /* ms of the loop's clock (uv_now) when the answer came */
    double wall;         /* the same moment, seconds since 1970 */
    uint32_t generation; /* of the server's start it belongs to; see struct instance */
    void (*destroy)(struct sample *sample);
};

/* Both take NULL. sample_ref returns its argument. */
const void *sample_ref(const void *sample);
void sample_unref(const void *sample);

#endif

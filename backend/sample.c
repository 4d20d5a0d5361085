#include "backend/sample.h"

#include <assert.h>
#include <stddef.h>

/* The count is the one part of a published sample that changes. */
static struct sample *mutable_sample(const void *sample)
{
    return (struct sample *)(uintptr_t)sample;
}

const void *sample_ref(const void *sample)
{
    if (sample)
        mutable_sample(sample)->refs++;
    return sample;
}

void sample_unref(const void *sample)
{
    struct sample *s = mutable_sample(sample);

    if (!s)
        return;
    assert(s->refs > 0);
    if (--s->refs == 0)
        s->destroy(s);
}

/* What the names of the services' images stand for: asked once a name, and again when an image has
 * changed. */
#include "backend/base/mem.h"
#include "backend/container_watch_impl.h"

#include <stdlib.h>
#include <string.h>

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_of(const struct watch_entry *entry, const struct watch_image *image)
{
    return !entry->gone && entry->facts && entry->facts->service != SERVICE_OTHER &&
           same(entry->facts->image, image->name);
}

/* ---- the names ---- */

const char *watch_image_id(struct container_watch *watch, const char *name)
{
    struct watch_image *image;

    for (size_t i = 0; i < watch->image_count; i++) {
        if (strcmp(watch->images[i]->name, name) == 0)
            return watch->images[i]->id;
    }
    image = mem_zalloc(sizeof(*image));
    image->watch = watch;
    image->name = mem_strdup(name);
    image->wanted = true;
    watch->images = mem_array(watch->images, watch->image_count + 1, sizeof(struct watch_image *));
    watch->images[watch->image_count++] = image;
    return NULL;
}

static void image_free(struct watch_image *image)
{
    free(image->name);
    free(image->id);
    free(image);
}

static bool is_used(const struct watch_image *image)
{
    const struct container_watch *watch = image->watch;

    for (size_t i = 0; i < watch->count; i++) {
        if (is_of(watch->entries[i], image))
            return true;
    }
    return false;
}

void watch_images_stale(struct container_watch *watch)
{
    size_t kept = 0;

    for (size_t i = 0; i < watch->image_count; i++) {
        struct watch_image *image = watch->images[i];

        if (is_used(image)) {
            image->wanted = true;
            watch->images[kept++] = image;
            continue;
        }
        engine_forget(watch->engine, image);
        image_free(image);
    }
    watch->image_count = kept;
    watch_touch(watch);
}

static void set_id(struct watch_image *image, char *id)
{
    struct container_watch *watch = image->watch;

    free(image->id);
    image->id = id;
    for (size_t i = 0; i < watch->count; i++) {
        struct watch_entry *entry = watch->entries[i];
        const struct container *old = entry->facts;
        struct container *copy;

        if (!is_of(entry, image) || same(old->tag_id, id))
            continue;
        copy = watch_facts_copy(old);
        free(copy->tag_id);
        copy->tag_id = mem_strdup(id);
        entry->facts = copy;
        container_unref(old);
    }
    watch_dirty(watch);
}

/* 404: nothing has that name any more, so that nothing can be said of it. */
static void on_image(void *context, const struct engine_reply *reply)
{
    struct watch_image *image = context;
    char *id = reply->status == 200 ? container_parse_image(reply->body, reply->len) : NULL;

    image->asked = false;
    if ((id || reply->status == 404) && !same(image->id, id))
        set_id(image, id);
    else
        free(id);
    watch_touch(image->watch);
}

void watch_images_step(struct container_watch *watch)
{
    for (size_t i = 0; i < watch->image_count; i++) {
        struct watch_image *image = watch->images[i];
        char *name, *path;

        if (!image->wanted || image->asked)
            continue;
        image->wanted = false;
        image->asked = true;
        name = engine_escape(image->name);
        path = mem_printf("/images/%s/json", name);
        engine_request(watch->engine, "GET", path, NULL, WATCH_DEADLINE, on_image, image);
        free(path);
        free(name);
    }
}

void watch_images_forget(struct container_watch *watch)
{
    for (size_t i = 0; i < watch->image_count; i++) {
        engine_forget(watch->engine, watch->images[i]);
        watch->images[i]->asked = false;
    }
}

void watch_images_free(struct container_watch *watch)
{
    for (size_t i = 0; i < watch->image_count; i++)
        image_free(watch->images[i]);
    free(watch->images);
}

#include "server/daemon/published.h"

void view_init(struct view *view, struct kv_store *store, const struct published *published)
{
    *view = (struct view){.store = store, .published = published};
}

void view_fini(struct view *view)
{
    if (view->read != NULL)
        kv_store_release(view->store, view->read);
    view->read = NULL;
}

bool view_refresh(struct view *view)
{
    /* The counters are read before the snapshot is taken, so the snapshot can only be newer than they say. */
    uint64_t index = atomic_load_explicit(&view->published->index, memory_order_acquire);
    uint64_t number = atomic_load_explicit(&view->published->number, memory_order_acquire);
    uint64_t sessions_moved = atomic_load_explicit(&view->published->sessions_moved, memory_order_relaxed);
    if (view->read != NULL && number == view->number && index == view->index)
        return false;
#ifdef QNFS_PLANT_STALE_VIEW
    if (view->read != NULL && number > 64 && number % 8 != 0) {
        view->index = index;
        return true;
    }
#endif
    view_fini(view);
    view->read = kv_store_snapshot(view->store);
    view->index = index;
    view->number = number;
    view->sessions_moved = sessions_moved;
    return true;
}

/* list.h: a doubly linked list whose links lie inside the elements; the list owns nothing. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_link {
    struct list_link *next;
    struct list_link *previous;
};

/* The head is a link of its own; an empty list points to itself. */
struct list {
    struct list_link head;
};

#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline void list_init(struct list *list)
{
    list->head.next = list->head.previous = &list->head;
}

static inline bool list_empty(const struct list *list)
{
    return list->head.next == &list->head;
}

static inline void list_append(struct list *list, struct list_link *link)
{
    link->next = &list->head;
    link->previous = list->head.previous;
    list->head.previous->next = link;
    list->head.previous = link;
}

static inline void list_prepend(struct list *list, struct list_link *link)
{
    link->previous = &list->head;
    link->next = list->head.next;
    list->head.next->previous = link;
    list->head.next = link;
}

/* Takes an element out; its link afterwards points to itself, so removing twice is harmless. */
static inline void list_remove(struct list_link *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
    link->next = link->previous = link;
}

/* The first or next link, NULL at the end. */
static inline struct list_link *list_first(const struct list *list)
{
    return list_empty(list) ? NULL : list->head.next;
}

static inline struct list_link *list_next(const struct list *list, const struct list_link *link)
{
    return link->next == &list->head ? NULL : link->next;
}

#endif

/* Ordered tree: against a sorted array, under a seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/list.h"
#include "base/random.h"
#include "base/tree.h"

#define KEYS 512

struct element {
    struct tree_node node;
    uint8_t key[2];
    bool in_tree;
};

/* Elements in key order: the first is the empty key's neighbour, the last is all 0xff. */
static void elements_make(struct element *elements)
{
    for (unsigned i = 0; i < KEYS; i++) {
        unsigned value = i == KEYS - 1 ? 0xffff : i * 128;
        elements[i] = (struct element){.key = {(uint8_t)(value >> 8), (uint8_t)value}};
        /* every fourth key is a prefix of its successor */
        elements[i].node.key = slice_make(elements[i].key, value % 512 == 0 ? 1 : 2);
    }
}

static const struct element *model_bound(const struct element *elements, struct slice key, bool equal_counts)
{
    for (unsigned i = 0; i < KEYS; i++) {
        int order = slice_compare(elements[i].node.key, key);
        if (elements[i].in_tree && (order > 0 || (equal_counts && order == 0)))
            return &elements[i];
    }
    return NULL;
}

static unsigned depth_of(const struct tree *tree, const struct element *element)
{
    unsigned depth = 0;
    const struct tree_node *node = tree->root;
    while (node != &element->node) {
        assert_non_null(node);
        node = slice_compare(element->node.key, node->key) < 0 ? node->left : node->right;
        depth++;
    }
    return depth;
}

static void same_as_a_sorted_array(void **state)
{
    (void)state;
    static struct element elements[KEYS];
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct random_seeded random = {seed};
        struct tree tree;
        tree_init(&tree);
        elements_make(elements);
        size_t count = 0;
        for (unsigned step = 0; step < 10000; step++) {
            struct element *element = &elements[random_seeded_next(&random) % KEYS];
            if (element->in_tree)
                tree_remove(&tree, &element->node);
            else
                tree_insert(&tree, &element->node);
            element->in_tree = !element->in_tree;
            count += element->in_tree ? 1 : (size_t)-1;
            assert_int_equal(tree.count, count);

            struct slice key = elements[random_seeded_next(&random) % KEYS].node.key;
            const struct element *at = model_bound(elements, key, true);
            const struct element *after = model_bound(elements, key, false);
            if (tree_at_or_after(&tree, key) != (at == NULL ? NULL : &at->node) ||
                tree_after(&tree, key) != (after == NULL ? NULL : &after->node))
                fail_msg("seed %llu step %u", (unsigned long long)seed, step);
            bool found = at != NULL && slice_equal(at->node.key, key);
            assert_ptr_equal(tree_find(&tree, key), found ? &at->node : NULL);
        }
    }
}

static void ascending_keys_stay_shallow(void **state)
{
    (void)state;
    static struct element elements[KEYS];
    struct tree tree;
    tree_init(&tree);
    elements_make(elements);
    for (unsigned i = 0; i < KEYS; i++)
        tree_insert(&tree, &elements[i].node);
    for (unsigned i = 0; i < KEYS; i++)
        assert_true(depth_of(&tree, &elements[i]) < 40);
}

static void an_empty_tree_has_nothing(void **state)
{
    (void)state;
    struct tree tree;
    tree_init(&tree);
    assert_null(tree_find(&tree, slice_text("a")));
    assert_null(tree_at_or_after(&tree, SLICE_EMPTY));
    assert_null(tree_after(&tree, SLICE_EMPTY));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_tree_has_nothing),
        cmocka_unit_test(same_as_a_sorted_array),
        cmocka_unit_test(ascending_keys_stay_shallow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

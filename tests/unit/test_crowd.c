/* Connections by address: what is one address, who is turned away, and what is made up for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "server/crowd.h"

static struct crowd *crowd;

static int begin(void **state) {
    (void)state;
    return (crowd = crowd_new(2)) ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    crowd_free(crowd);
    return 0;
}

/* Enters from an address in numbers. */
static bool enter(int fd, const char *text) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } from = {0};
    if (inet_pton(AF_INET, text, &from.v4.sin_addr) == 1) {
        from.any.sa_family = AF_INET;
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &from.v6.sin6_addr), 1);
        from.any.sa_family = AF_INET6;
    }
    return crowd_enter(crowd, fd, &from.any);
}

static void an_address_has_its_most(void **state) {
    (void)state;
    assert_true(enter(3, "192.0.2.1"));
    assert_true(enter(4, "192.0.2.1"));
    assert_false(enter(5, "192.0.2.1"));
    assert_true(enter(5, "192.0.2.2"));
    assert_int_equal(crowd_count(crowd), 3);
    crowd_leave(crowd, 3);
    assert_true(enter(6, "192.0.2.1"));
    assert_false(enter(7, "192.0.2.1"));
}

static void a_network_of_ipv6_is_one_address(void **state) {
    (void)state;
    assert_true(enter(3, "2001:db8::1"));
    assert_true(enter(4, "2001:db8::ffff:1"));
    assert_false(enter(5, "2001:db8:0:0:8000::1"));
    assert_true(enter(5, "2001:db8:0:1::1"));
    assert_true(enter(6, "::1"));
    assert_true(enter(7, "::1"));
    assert_false(enter(8, "::1"));
}

static void ipv4_is_itself_however_it_is_written(void **state) {
    (void)state;
    assert_true(enter(3, "192.0.2.1"));
    assert_true(enter(4, "::ffff:192.0.2.1"));
    assert_false(enter(5, "::ffff:192.0.2.1"));
    assert_true(enter(5, "::ffff:192.0.2.2"));
}

static void a_local_socket_is_not_counted(void **state) {
    (void)state;
    const struct sockaddr_un local = {.sun_family = AF_UNIX};
    for (int fd = 3; fd < 9; fd++)
        assert_true(crowd_enter(crowd, fd, (const struct sockaddr *)(const void *)&local));
    assert_int_equal(crowd_count(crowd), 0);
    crowd_leave(crowd, 3);
}

static void to_leave_twice_is_to_leave_once(void **state) {
    (void)state;
    assert_true(enter(3, "192.0.2.1"));
    assert_true(enter(4, "192.0.2.1"));
    crowd_leave(crowd, 3);
    crowd_leave(crowd, 3);
    crowd_leave(crowd, 100000);
    assert_int_equal(crowd_count(crowd), 1);
}

static void a_number_that_comes_again_makes_up_for_who_did_not_leave(void **state) {
    (void)state;
    assert_true(enter(3, "192.0.2.1"));
    assert_true(enter(4, "192.0.2.1"));
    assert_true(enter(4, "192.0.2.2"));
    assert_true(enter(5, "192.0.2.1"));
    assert_true(enter(5, "192.0.2.1"));
    assert_int_equal(crowd_count(crowd), 3);
}

static void many_addresses_are_kept_apart(void **state) {
    (void)state;
    enum { MANY = 20000 };
    char text[32];
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "10.%d.%d.1", i / 250, i % 250);
        assert_true(enter(2 * i, text));
        assert_true(enter(2 * i + 1, text));
        assert_false(enter(2 * MANY, text));
    }
    assert_int_equal(crowd_count(crowd), 2 * MANY);
    for (int i = 0; i < 2 * MANY; i++) crowd_leave(crowd, i);
    assert_int_equal(crowd_count(crowd), 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(an_address_has_its_most),
        TEST(a_network_of_ipv6_is_one_address),
        TEST(ipv4_is_itself_however_it_is_written),
        TEST(a_local_socket_is_not_counted),
        TEST(to_leave_twice_is_to_leave_once),
        TEST(a_number_that_comes_again_makes_up_for_who_did_not_leave),
        TEST(many_addresses_are_kept_apart),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}

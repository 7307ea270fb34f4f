package utresa;

import java.time.LocalDate;
import java.util.HashMap;
import java.util.Map;

/** The two areas that the report knows, with the days from and to which a country was in them, both included. */
final class Territory {
    private record Membership(int first, int last) {}

    private static final Membership ALWAYS = new Membership(Integer.MIN_VALUE, Integer.MAX_VALUE);
    private static final Map<String, Membership> TERRITORY =
            members("AT BE BG CH CY CZ DE DK EE ES FI FR GR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK");
    private static final Map<String, Membership> SCHENGEN =
            members("AT BE CH CZ DE DK EE ES FI FR GR HU IS IT LI LT LU LV MT NL NO PL PT SE SI SK");

    static {
        TERRITORY.put("HR", since("2013-07-01"));
        TERRITORY.put("GB", new Membership(Integer.MIN_VALUE, day("2020-01-31")));
        SCHENGEN.put("HR", since("2023-01-01"));
        SCHENGEN.put("BG", since("2024-03-31"));
        SCHENGEN.put("RO", since("2024-03-31"));
    }

    private Territory() {}

    static boolean inTerritory(String country, int day) {
        return isIn(TERRITORY, country, day);
    }

    static boolean inSchengen(String country, int day) {
        return isIn(SCHENGEN, country, day);
    }

    private static boolean isIn(Map<String, Membership> area, String country, int day) {
        Membership membership = area.get(country);
        return membership != null && membership.first <= day && day <= membership.last;
    }

    private static Map<String, Membership> members(String codes) {
        Map<String, Membership> members = new HashMap<>();
        for (String code : codes.split(" ")) {
            members.put(code, ALWAYS);
        }
        return members;
    }

    private static Membership since(String first) {
        return new Membership(day(first), Integer.MAX_VALUE);
    }

    private static int day(String iso) {
        return (int) LocalDate.parse(iso).toEpochDay();
    }
}
